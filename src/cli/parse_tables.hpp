#pragma once

#include "cli/given.hpp"
#include "pgeist/commands/tables.hpp"

namespace pgeist::cli {

/// Whether several tables are named, or those that refer to one are to be changed with it.
[[nodiscard]] bool asks_for_tables(const given& options);

/// `--table T --alter … [--set …] [--key …]`, repeated: what stands behind a --table belongs to it. With one table the
/// order is free. @throws usage_error
[[nodiscard]] commands::tables_request read_tables(const given& options);

/// That options of one table are given once: of the commands that know no other. @throws usage_error
void require_one_table(const given& options);

}  // namespace pgeist::cli
