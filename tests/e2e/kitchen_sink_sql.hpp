#pragma once

#include <string>

/// One table with everything that a table can have, as SQL with marks: @t@ is the table's name, quoted; @ticket@ the
/// name of its serial column's sequence; @schema@ its schema; @space@ a tablespace; @owner@, @grantor@, @reader@ and
/// @clerk@ are roles. Run with the schema first in the search_path.
namespace pgeist::test {

/// Types, extensions, functions and publications that twins of the table in two schemas share.
std::string kitchen_sink_shared();

/// The table, its 60 rows, and other tables with foreign keys from and to it.
std::string kitchen_sink(int server_major);

/// `text` with every `mark` replaced.
std::string replaced(std::string text, const std::string& mark, const std::string& by);

}  // namespace pgeist::test
