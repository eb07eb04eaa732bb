// Runs a migration file with pgeist from a Knex migration, on the database that Knex uses.
//
// The migration must not run in a transaction (exports.config = { transaction: false }): pgeist waits for older
// snapshots to end, and Knex's own would never.
const { spawn } = require('child_process');

const program = process.env.PGEIST || 'pgeist';

// Where Knex is connected. A password goes into the environment and never into an argument, which others could see.
function connection(knex) {
  const config = knex.client.config.connection;
  if (typeof config === 'string') {
    const url = new URL(config);
    const env = url.password ? { PGPASSWORD: decodeURIComponent(url.password) } : {};
    url.password = '';
    return { args: ['-d', url.toString()], env };
  }
  const names = { '-h': 'host', '-p': 'port', '-U': 'user', '-d': 'database' };
  const args = Object.entries(names).filter(([, name]) => config[name] !== undefined)
    .flatMap(([option, name]) => [option, String(config[name])]);
  return { args, env: config.password ? { PGPASSWORD: String(config.password) } : {} };
}

// Runs `file`; a run of it that was cut off is gone on with, one that has ended well is not repeated. `undoes` is the
// file that it takes back.
exports.pgeist = function pgeist(knex, file, undoes) {
  const { args, env } = connection(knex);
  return new Promise((resolve, reject) => {
    const child = spawn(program, ['run', ...args, '--yes', '--resume', '--file', file, '--undoes', undoes], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve()
      : reject(new Error(`pgeist ended with exit code ${code}: run the migration again when what it says is mended`))));
  });
};
