const { pgeist } = require('../pgeist');

// No transaction around it: see ../pgeist.js.
exports.config = { transaction: false };

exports.up = (knex) => pgeist(knex, 'public.orders', 'ALTER COLUMN id TYPE bigint, ADD COLUMN placed_at timestamptz');

exports.down = (knex) => pgeist(knex, 'public.orders', 'ALTER COLUMN id TYPE integer, DROP COLUMN placed_at');
