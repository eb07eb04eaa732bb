#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pgeist/ddl/statement.hpp"
#include "pgeist/probe/effect.hpp"
#include "pgeist/probe/schema.hpp"

namespace pgeist::probe {

/// A server's version: 15, or 15.3.
struct server_version {
    int major = 15;
    int minor = -1;  ///< -1: not known
};

/// The versions that the rules know.
inline constexpr int oldest_version = 14;
inline constexpr int newest_version = 19;

/// What a statement does by the rules, and what each of its clauses adds to that.
struct static_answer {
    effect whole;
    std::vector<effect> clauses;  ///< of an ALTER, in their order; empty for everything else
};

/// What PostgreSQL `version` does with `what` where the statements before have left `before`. The same rules for
/// every row of every kind; what they cannot know (a column's type, whether a function is volatile) is taken for the
/// worse case and named in `assumptions`.
[[nodiscard]] static_answer static_effect(const ddl::statement& what, const schema& before, server_version version);

/// How the server would judge an expression that gives existing rows their value.
enum class volatility { constant, stable, unsure, changing };
[[nodiscard]] volatility volatility_of(const ddl::expression& value);
/// The functions in it that are volatile, or not known.
[[nodiscard]] std::vector<std::string> doubtful_functions(const ddl::expression& value);

/// Whether PostgreSQL brings the function, and calling it changes no table.
[[nodiscard]] bool is_own_function(const std::string& name);

/// What `ALTER COLUMN … TYPE` means for the rows.
struct type_change {
    bool rewrite = true;
    bool known = true;          ///< false: the column's present type is not known, and the worse case was taken
    bool indexes = false;       ///< indexes on the column are rebuilt although the rows stay
    bool nothing = false;       ///< the type is the same
    bool by_time_zone = false;  ///< in UTC the rows stay
    bool may_fail = false;      ///< a value may be too long or too large for the new type
};
[[nodiscard]] type_change judge_type_change(const std::optional<ddl::type_name>& from, const ddl::type_name& to,
                                            bool converted, const schema& before);

}  // namespace pgeist::probe
