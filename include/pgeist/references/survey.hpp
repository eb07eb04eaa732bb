#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"
#include "pgeist/references/closure.hpp"

namespace pgeist::references {

/// A table that is to be changed.
struct table_change {
    std::int64_t oid = 0;
    plan::change_request change;
    std::string because = "asked for";  ///< what leads to it, for people
};

/// A key whose type is changed, and its type before.
struct key_change {
    column key;
    std::string type;    ///< as format_type() has it
    bool mixed = false;  ///< a foreign key may compare both types: one can be changed before the other
};

/// Tables that one command changes, and what ties them.
struct survey {
    std::vector<table_change> tables;  ///< each once; those that are asked for first
    std::vector<obstacle> obstacles;
    std::vector<tie> ties;             ///< by foreign keys that are there, or are to be
    std::vector<type_change> changed;  ///< columns whose type is changed, as asked for
    std::vector<key_change> keys;      ///< those of them that others refer to
    std::vector<follower> followed;    ///< with references: what was added
    std::vector<std::string> warnings;
};

/// Finds the tables, joins changes of the same one, follows the references where that is asked for. In a transaction,
/// of whose end temporary tables go. Locks: none on the user's tables.
/// @throws error (refused) when a table is not there, or a change cannot be read; usage_error when two changes of one
/// table name different keys to walk
[[nodiscard]] awaitable<survey> look(pg::connection& session, std::vector<plan::change_request> changes,
                                     bool with_references);

/// The foreign keys between two of these tables, by OID. In a transaction, or in none.
[[nodiscard]] awaitable<std::vector<tie>> find_ties(pg::connection& session, std::vector<std::int64_t> tables);

/// A column that looks as if it referred to a key, without a constraint.
struct look_alike {
    column what;
    std::string refers_to;  ///< `public.users (id)`
};

/// What a change of keys does not reach.
struct bystanders {
    std::vector<look_alike> columns;
    std::vector<std::string> functions;      ///< as regprocedure, with an argument of a key's old type
    std::optional<std::string> alternative;  ///< how it could be done without a group, a sentence without full stop
};

/// In a transaction, or in none.
[[nodiscard]] awaitable<bystanders> find_bystanders(pg::connection& session, const survey& what);

}  // namespace pgeist::references
