require('@alicloud/fc2/lib/deep'); exports.handler = () => {};
