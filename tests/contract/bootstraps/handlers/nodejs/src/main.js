exports.handler = (event, context, callback) => callback(null, 'from src');
