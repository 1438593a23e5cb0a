'use strict';
// The handler's `context`, built from FC's common request headers (runtime-contract.md §2.3, §3.4).

const bytes = require('./wire').bytes;

// Base64 of a JSON object (runtime-contract.md §2.3, OBS).
function baggages(text) {
  if (!text) return {};
  try {
    const value = JSON.parse(bytes(text, 'base64').toString());
    return value && typeof value === 'object' ? value : {};
  } catch (error) {
    return {};
  }
}

exports.build = function (headers, logger) {
  const text = (name) => headers['x-fc-' + name] || '';
  const number = (name) => Number(headers['x-fc-' + name]) || 0;
  const context = {
    requestId: text('request-id'),
    credentials: {
      accessKeyId: text('access-key-id'),
      accessKeySecret: text('access-key-secret'),
      securityToken: text('security-token'),
    },
    function: {
      name: text('function-name'),
      handler: text('function-handler'),
      memory: number('function-memory'),
      timeout: number('function-timeout'),
    },
    service: {
      logProject: text('service-logproject'),
      logStore: text('service-logstore'),
      qualifier: text('qualifier'),
      versionId: text('version-id'),
    },
    region: text('region'),
    accountId: text('account-id'),
    logger: logger,
    retryCount: number('retry-count'),
    tracing: {
      openTracingSpanContext: text('tracing-opentracing-span-context'),
      openTracingSpanBaggages: baggages(text('tracing-opentracing-span-baggages')),
      jaegerEndpoint: text('tracing-jaeger-endpoint'),
    },
    waitsForEmptyEventLoopBeforeCallback: false,
  };
  // FC 2 only: FC 3 sends an empty service name.
  if (text('service-name')) context.service.name = text('service-name');
  if (text('function-initializer')) {
    context.function.initializer = text('function-initializer');
    context.function.initializationTimeout = number('initialization-timeout');
  }
  return context;
};
