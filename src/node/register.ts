/**
 * `--import kernet/register`: Node's modules are led to the default world before the program's first line. `KERNET_*` and
 * `kernet.config.*` describe it; what is wrong there is one line on stderr, and exit code 2.
 */
import process from 'node:process';
import { configOfEnv } from './config.ts';
import { loadConfig } from './config-file.ts';
import { installConfigured } from './install.ts';
import { selfTest } from './self-test.ts';

/** The exit code when the configuration is wrong. */
const EXIT_USAGE = 2;

try {
  const { config, directory } = await loadConfig(process.env, process.cwd());
  const variables = configOfEnv(process.env);
  const where = Object.keys(variables).length > 0 ? 'KERNET_*' : 'kernet.config';
  const world = installConfigured({ ...config, ...variables }, where);
  if ((process.env['KERNET_CHECK'] ?? '') !== '') await selfTest();
  await world.start(directory);
} catch (error) {
  process.stderr.write(`kernet: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(EXIT_USAGE);
}
