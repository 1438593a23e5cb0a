'use strict';
// Apart, because a Node.js before 13 can not parse it. Loaded for ES modules only.

const pathToFileURL = require('url').pathToFileURL;

exports.load = (file) => import(pathToFileURL(file).href);
