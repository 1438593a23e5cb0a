'use strict';
process.exit(5);
