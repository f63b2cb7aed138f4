/** `npm run test:chaos`: `pipeline` as the first word for the pipeline (pipeline.ts), else media (chaos.ts). */
const isPipeline = process.argv[2] === 'pipeline';
if (isPipeline) process.argv.splice(2, 1);
await import(isPipeline ? './pipeline.ts' : './chaos.ts');

export {};
