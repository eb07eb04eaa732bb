const path = require('path');
const { pgeist } = require('../pgeist');

const file = (direction) => path.join(__dirname, '..', '..', `orders.${direction}.sql`);

// No transaction around it: see ../pgeist.js.
exports.config = { transaction: false };

exports.up = (knex) => pgeist(knex, file('up'), file('down'));

exports.down = (knex) => pgeist(knex, file('down'), file('up'));
