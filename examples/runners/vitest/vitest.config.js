import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    // The same in worker threads and in child processes; each file has a worker of its own.
    projects: ['threads', 'forks'].map((pool) => ({ test: { name: pool, pool, include: ['*.test.js'], setupFiles: ['./setup.js'] } })),
    reporters: ['verbose'],
  },
});
