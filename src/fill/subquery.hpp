#pragma once

#include <set>
#include <string>

#include "pgeist/target/steps.hpp"

namespace pgeist::fill {

/// An expression, and what it reads of other rows than its own.
struct resolution : target::resolved {
    std::set<std::string> elsewhere;  ///< columns of the same table, or of its partitions; also in `reads`
};

/// Whether an expression looks rows up elsewhere: target::resolve_expression() takes none of that.
[[nodiscard]] bool has_subquery(const std::string& text);

/// Resolves an expression with subqueries as the user's session would, over the source's columns: it becomes an SQL
/// function in the job's schema, whose body is stored as a tree. Named as the table, with the columns as its arguments,
/// so that `orders.total` means what the user means; a subquery's own columns come first, as in the UPDATE. `type` is
/// what it is to give. `number` tells the functions of one job apart.
/// @throws error (refused); `what` names the expression
[[nodiscard]] awaitable<resolution> resolve_with_subquery(target::build_context& at, std::string text, std::string type,
                                                          std::string what, int number);

}  // namespace pgeist::fill
