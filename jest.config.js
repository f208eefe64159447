/** ESM under jest: swc compiles a file at a time, and `./x.js` in an import means `./x.ts`. */
const base = {
  testEnvironment: '<rootDir>/test/support/environment.js',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^\\.\\./locales/index\\.js$': '<rootDir>/test/support/no-locales.js',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript' },
          target: 'es2022',
          // Node wants to be told that a JSON file is one.
          experimental: { keepImportAttributes: true },
        },
        module: { type: 'es6' },
      },
    ],
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
};

export default {
  // A slow machine is no failure; what hangs still ends.
  testTimeout: 60_000,
  testSequencer: '<rootDir>/test/support/sequencer.js',
  projects: [
    { ...base, displayName: 'unit', testMatch: ['<rootDir>/test/unit/**/*.test.ts'] },
    { ...base, displayName: 'integration', testMatch: ['<rootDir>/test/integration/**/*.test.ts'] },
    { ...base, displayName: 'console', testMatch: ['<rootDir>/test/console/**/*.test.ts'] },
    // What they assert is about time, so nothing else may run beside them.
    { ...base, displayName: 'timed', testMatch: ['<rootDir>/test/timed/**/*.test.ts'] },
  ],
};
