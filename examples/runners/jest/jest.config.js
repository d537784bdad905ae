export default {
  testEnvironment: 'node',
  // ES modules as they are: kernet is one. `npm test` starts jest with --experimental-vm-modules.
  transform: {},
  setupFilesAfterEnv: ['./setup.js'],
  verbose: true,
};
