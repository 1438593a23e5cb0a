require('ali-oss'); exports.handler = () => {};
