const layer = require('from-a-layer');

exports.handler = (event, context, callback) => callback(null, layer);
