export const handler = async () => 'by its syntax';
