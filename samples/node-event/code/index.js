exports.handler = async (event, context) => {
  console.log('hello from', context.function.name);
  const { name = 'world' } = JSON.parse(event.toString() || '{}');
  if (name === 'nobody') throw new Error('nobody to greet');
  return { message: `Hello, ${name}!` };
};
