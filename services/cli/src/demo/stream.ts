/** The stream of the demo: what its publisher publishes, its viewers play and the printed URLs name. */
export const DEMO_STREAM = { app: 'live', name: 'demo' } as const;
