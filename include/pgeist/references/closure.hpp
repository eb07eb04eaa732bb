#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"
#include "pgeist/plan/change_request.hpp"

/// What refers to the keys of a table, and how a change of a key's type is led along the foreign keys.
namespace pgeist::references {

/// A column of a table.
struct column {
    std::int64_t table_oid = 0;
    int number = 0;
    qualified_name table;
    std::string name;
    std::string type;            ///< as format_type() has it
    std::int64_t collation = 0;  ///< its OID; 0: the type has none
    char kind = 'r';             ///< of the table, as pg_class.relkind
    bool inherited = false;      ///< from a parent: its type cannot be changed by itself

    /// `public.orders (user_id)`
    [[nodiscard]] std::string display() const;
};

/// A column of a foreign key, and the one that it refers to.
struct reference {
    std::string constraint;
    column from;
    column to;
};

/// A column whose type the user changes.
struct type_change {
    std::int64_t table_oid = 0;
    int number = 0;
    std::string column;                     ///< its name now
    std::string type;                       ///< as written, with its COLLATE
    std::string found_type;                 ///< as format_type() has it; empty: not known
    std::optional<std::int64_t> collation;  ///< its OID; none: not known
    std::optional<std::string> conversion;  ///< USING, over the column's name now
};

/// A column that follows.
struct follower {
    column what;
    std::string because;                 ///< for people: the foreign key that leads to it
    std::string clause;                  ///< of an ALTER TABLE
    std::vector<std::string> functions;  ///< that its conversion calls
    std::string from;                    ///< the column that it refers to, for people
};

struct obstacle {
    std::string message;
    std::string hint;
};

struct closure {
    std::vector<follower> followers;  ///< each behind the one that leads to it
    std::vector<obstacle> obstacles;
};

/// Follows the foreign keys from the columns that change to all that refer to them, and to those that refer to these.
/// A column that the user changes himself is left to him; one that has the type already is none to change, but is
/// walked through. Pure.
[[nodiscard]] closure follow(const std::vector<type_change>& changes, const std::vector<reference>& all);

/// Two tables that a foreign key joins.
struct tie {
    std::int64_t one = 0;
    std::int64_t other = 0;
    std::string constraint;
    std::string definition;  ///< as pg_get_constraintdef() has it; empty: it is only to be
};

/// `tables` with those that foreign keys tie them to, directly or through one another: groups of places in `tables`,
/// in order of their first one. Pure.
[[nodiscard]] std::vector<std::vector<std::size_t>> tied(const std::vector<std::int64_t>& tables,
                                                         const std::vector<tie>& ties);

/// `text`, the name of a table, as English has it for one row: `users` → `user`, `categories` → `category`.
[[nodiscard]] std::string singular(const std::string& text);

}  // namespace pgeist::references
