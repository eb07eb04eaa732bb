#pragma once

#include <string>
#include <vector>

namespace pgeist::test {

/// One change of one table, made by the program in schema `app` and by the server's own ALTER TABLE in schema `native`
/// on a copy made by the same statements. Both must end the same.
struct change_case {
    std::string name;
    /// Makes the table and fills it. Run with each schema first in the search_path; @owner@ and @reader@ are roles.
    std::string setup;
    /// Arguments for `pgeist run --table app.TABLE`.
    std::vector<std::string> arguments;
    /// What the server is asked to do itself.
    std::string native;
    std::string table = "t";
    /// Whether the same change, asked for again, finds nothing to do.
    bool idempotent = true;
    /// Syntax that servers before `oldest_server` do not know: left out of the statements there.
    std::string newer_syntax;
    int oldest_server = 14;
};

/// Types, defaults, columns, constraints.
std::vector<change_case> column_changes();

/// Tables walked by every kind of key.
std::vector<change_case> key_kinds();

/// Tables with all that can hang on them.
std::vector<change_case> table_features();

}  // namespace pgeist::test
