exports.handler = (event, context, callback) => callback(null, 'in a folder');
