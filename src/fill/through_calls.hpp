#pragma once

#include <set>
#include <string>
#include <vector>

#include "pgeist/target/build_context.hpp"

namespace pgeist::fill {

/// What an expression learns of other rows of its own table through the functions and views that it uses.
struct indirect_reading {
    /// A function in standard SQL, and a column of the table that it reads.
    struct reading {
        std::string through;  ///< `function app.total(integer)`
        std::string column;
    };
    std::vector<reading> known;          ///< the server keeps what they depend on
    std::vector<std::string> suspected;  ///< views that have a column; functions whose texts name the table and one
};

/// Looks through the functions and views that a resolved expression uses, and through those that these use. What the
/// text of a function calls is not seen. @param columns those that matter: what reads others is not told
[[nodiscard]] awaitable<indirect_reading> read_through_calls(target::build_context& at, std::string expression,
                                                             std::set<std::string> columns);

}  // namespace pgeist::fill
