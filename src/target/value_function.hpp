#pragma once

#include <set>
#include <string>
#include <vector>

#include "pgeist/catalog/operators.hpp"
#include "pgeist/target/steps.hpp"

// An expression of the user that means something else when its text is read with our search_path becomes a function:
// its body is stored as a tree, with operators by OID, and the planner puts it in the call's place. Its one argument is
// a row of the columns that it reads, so that they keep their collations and the row as a whole can be used.
namespace pgeist::target {

/// An expression as the server printed it of the probe, a table of the user's columns under other names.
struct probed_expression {
    std::string text;
    catalog::used_operators operators;
    bool whole_row = false;     ///< uses the row as a whole
    bool follows_path = false;  ///< its value depends on the search_path
};

struct value_function {
    std::vector<plan::statement> create;
    plan::statement drop;
    std::string signature;        ///< as regprocedure reads it
    std::string call;             ///< over the source's columns
    std::set<std::string> reads;  ///< source columns in it
};

/// The name that column number `place` has in a probe: it cannot stand for anything else in the text that is read back.
[[nodiscard]] std::string column_placeholder(std::size_t place);
/// Puts `by` in the place of the column's placeholder.
void replace_columns(std::string& text, std::size_t place, const std::string& by);
/// @throws error (refused)
[[noreturn]] void refuse_unknown_column(const std::string& what, const std::string& column);

/// The function for an expression over `columns`; nothing is made yet.
/// @throws error (refused) when the expression uses a column that has no value
[[nodiscard]] awaitable<value_function> make_value_function(build_context& at, qualified_name probe,
                                                            probed_expression from, std::vector<known_column> columns,
                                                            std::string what);

}  // namespace pgeist::target
