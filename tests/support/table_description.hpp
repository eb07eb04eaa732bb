#pragma once

#include <string>
#include <vector>

#include "support/sync_connection.hpp"

namespace pgeist::test {

/// A table as the catalogs describe it, one fact a line, by name and without OIDs: columns in order with everything
/// that hangs on them, indexes, constraints (with those of other tables that refer to it), triggers, rules, policies,
/// statistics, publications, sequences, the row type, owner, rights with who gave them, options, comments, and what
/// depends on any of it. Mentions of its own schema are cut out, so that the descriptions of two tables of the same
/// name in two schemas can be compared.
std::vector<std::string> describe_table(sync_connection& connection, const std::string& schema,
                                        const std::string& table);

/// Lines of one description that the other does not have, marked with "-" (only left) and "+" (only right).
std::vector<std::string> description_difference(const std::vector<std::string>& left,
                                                const std::vector<std::string>& right);

/// The table's identity: its OID and file. Both unchanged means that nobody replaced or rewrote it.
std::string table_identity(sync_connection& connection, const std::string& table);

}  // namespace pgeist::test
