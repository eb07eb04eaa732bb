// Runs pgeist from a Knex migration, on the database that Knex uses.
//
// The migration must not run in a transaction (exports.config = { transaction: false }): pgeist waits before the swap
// for older snapshots to end, and Knex's own would never.
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
  const args = ['-h', config.host, '-p', config.port, '-U', config.user, '-d', config.database];
  const given = [];
  for (let at = 0; at < args.length; at += 2) {
    if (args[at + 1] !== undefined) given.push(args[at], String(args[at + 1]));
  }
  return { args: given, env: config.password ? { PGPASSWORD: String(config.password) } : {} };
}

function call(knex, command, more) {
  const { args, env } = connection(knex);
  return new Promise((resolve, reject) => {
    const child = spawn(program, [command, ...args, ...more], {
      env: { ...process.env, ...env },
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    child.on('error', reject);
    child.on('close', (code) => resolve(code));
  });
}

// The number of a job on this table that a run before this one has not finished, if there is one.
async function unfinished(knex, table) {
  const state = await knex.raw("SELECT to_regclass('pgeist.status') IS NOT NULL AS present");
  if (!state.rows[0].present) return undefined;
  const jobs = await knex.raw(
    `SELECT job FROM pgeist.status WHERE "table" = ? AND state IN ('interrupted', 'failed') ORDER BY job DESC LIMIT 1`,
    [table]);
  return jobs.rows.length > 0 ? String(jobs.rows[0].job) : undefined;
}

// Changes `table` (with its schema) by `alter`; goes on with what an interrupted migration has begun. A table that has
// the change already is left alone.
exports.pgeist = async function pgeist(knex, table, alter, options = []) {
  const job = await unfinished(knex, table);
  const code = job === undefined
    ? await call(knex, 'run', ['--yes', '--table', table, '--alter', alter, ...options])
    : await call(knex, 'resume', [job, ...options]);
  if (code !== 0) {
    throw new Error(`pgeist ended with exit code ${code}: run the migration again when what it says is mended`);
  }
};
