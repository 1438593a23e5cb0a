import fs from 'node:fs';

await Promise.resolve();
export const handler = async (event, context) => ({ from: 'mjs', fs: typeof fs.readFileSync, id: context.requestId });
export const thrown = () => { throw new TypeError('oops'); };
export default { inDefault: async () => 'in default' };
