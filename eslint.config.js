// The rules that need types, and a few that compilers leave out.
// The order of rooms, the banned calls and the limits are a test: scripts/tidy.ts, test/tidy.test.ts.
import { existsSync } from 'node:fs';
import tseslint from 'typescript-eslint';

// Rules that need types need the packages of test/programs, which `npm run test:programs` installs; it lints that folder, too.
const programs = existsSync(new URL('test/programs/node_modules', import.meta.url)) ? [] : ['test/programs/'];

/** Rules for all code. */
const everywhere = {
  // promises: none forgotten, none where a plain value is expected
  '@typescript-eslint/no-floating-promises': ['error', {
    allowForKnownSafeCalls: [{ from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite', 'before', 'after', 'beforeEach', 'afterEach'] }],
  }],
  '@typescript-eslint/no-misused-promises': 'error',
  '@typescript-eslint/await-thenable': 'error',
  '@typescript-eslint/only-throw-error': 'error',
  '@typescript-eslint/prefer-promise-reject-errors': 'error',

  // types that say something
  '@typescript-eslint/no-explicit-any': 'error',
  '@typescript-eslint/no-unsafe-function-type': 'error',
  '@typescript-eslint/no-wrapper-object-types': 'error',
  '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports', disallowTypeAnnotations: false }],
  '@typescript-eslint/consistent-type-exports': ['error', { fixMixedExportsWithInlineTypeSpecifier: true }],
  '@typescript-eslint/no-unnecessary-type-assertion': 'error',
  '@typescript-eslint/no-unnecessary-boolean-literal-compare': 'error',
  '@typescript-eslint/no-redundant-type-constituents': 'error',
  '@typescript-eslint/no-duplicate-type-constituents': 'error',

  // values that are what they look like
  '@typescript-eslint/no-base-to-string': 'error',
  '@typescript-eslint/restrict-plus-operands': ['error', { allowNumberAndString: true }],
  '@typescript-eslint/no-for-in-array': 'error',
  '@typescript-eslint/no-array-delete': 'error',
  '@typescript-eslint/no-implied-eval': 'error',
  '@typescript-eslint/unbound-method': 'error',
  '@typescript-eslint/require-array-sort-compare': ['error', { ignoreStringArrays: true }],
  '@typescript-eslint/no-confusing-void-expression': 'off',
  '@typescript-eslint/switch-exhaustiveness-check': 'off',

  // nothing left lying about
  '@typescript-eslint/no-unused-vars': ['error', { args: 'after-used', argsIgnorePattern: '^_', varsIgnorePattern: '^_', caughtErrors: 'none' }],
  '@typescript-eslint/no-unused-expressions': ['error', { allowShortCircuit: false, allowTernary: false, allowTaggedTemplates: true }],
  '@typescript-eslint/no-useless-constructor': 'error',
  'no-useless-return': 'error',
  'no-unreachable-loop': ['error', { ignore: ['ForOfStatement'] }],
  'no-self-assign': 'error',
  'no-self-compare': 'error',
  'no-useless-escape': 'error',
  'no-useless-catch': 'error',

  // no surprises
  eqeqeq: 'error',
  'prefer-const': 'error',
  'no-var': 'error',
  'no-fallthrough': 'error',
  'no-cond-assign': ['error', 'except-parens'],
  'no-constant-condition': ['error', { checkLoops: false }],
  'no-constant-binary-expression': 'error',
  'no-loss-of-precision': 'error',
  'no-sparse-arrays': 'error',
  'no-template-curly-in-string': 'error',
  'no-unsafe-finally': 'error',
  'no-unsafe-optional-chaining': 'error',
  'no-async-promise-executor': 'error',
  'no-case-declarations': 'error',
  'no-with': 'error',
  'no-eval': 'error',
  'no-new-wrappers': 'error',
  'no-restricted-syntax': ['error', {
    selector: 'ForInStatement', message: 'for…in visits what was inherited, too → for…of over Object.keys',
  }],
};

/** What the runtimes offer and kernet does not take: the rooms below node/ run wherever JavaScript runs. */
const runtimeGlobals = ['Buffer', 'process', 'require', 'module', 'global', '__dirname', '__filename', 'Deno', 'window', 'document', 'fetch', 'localStorage'];

export default tseslint.config(
  { ignores: ['node_modules/', 'dist/', '.cache/', 'coverage/', ...programs] },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.base],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: everywhere,
  },
  {
    files: ['mod.ts', 'src/**/*.ts'],
    ignores: ['src/**/*.test.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'error',
      '@typescript-eslint/no-unsafe-assignment': 'error',
      '@typescript-eslint/no-unsafe-call': 'error',
      '@typescript-eslint/no-unsafe-member-access': 'error',
      '@typescript-eslint/no-unsafe-return': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/cli/**', 'src/**/*.test.ts'],
    rules: { 'no-console': 'error' },
  },
  {
    files: ['src/**/*.ts'],
    ignores: ['src/node/**', 'src/deno/**', 'src/cli/**', 'src/**/*.test.ts'],
    rules: { 'no-restricted-globals': ['error', ...runtimeGlobals.map((name) => ({ name, message: 'only node/, deno/ and cli/ know the runtime' }))] },
  },
  {
    // Deno checks its tests; the rules that need no types hold for them, too.
    files: ['test/deno/**/*.ts'],
    extends: [tseslint.configs.disableTypeChecked],
    languageOptions: { parserOptions: { projectService: false, project: null } },
  },
);
