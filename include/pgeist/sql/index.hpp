#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/sql/statements.hpp"

/// Indexes and the constraints that they carry. SQL that makes again what a description says; pure.
namespace pgeist::sql {

/// What the text of an index means, where it could be taken to mean something else when it is read again: others can
/// make functions and operators where its own are found. See build/meaning.hpp.
struct meaning {
    std::vector<std::string> uses;  ///< what its stored tree uses (catalog::used_operators); empty: nothing to mistake
    std::string search_path;        ///< to read the text with
    std::string condition;          ///< over the table, with all its expressions; empty: cannot be asked
    std::string draft_sql;          ///< CREATE INDEX CONCURRENTLY; empty: a constraint makes the index
};

/// An index that is built on a table that has its rows.
struct index {
    std::string name;
    std::string create_sql;  ///< CREATE INDEX on that table; empty when the constraint makes its own index
    std::string tablespace;  ///< empty: the database's default
    std::vector<pg::statement>
        after;  ///< constraint USING INDEX (or EXCLUDE …), comments, statistics targets, CLUSTER mark …
    bool exclusive =
        false;  ///< must be built alone (ALTER TABLE … ADD CONSTRAINT takes a lock that excludes other builds)
    std::int64_t source_bytes = 0;  ///< size of the source's counterpart
    std::int64_t build_cost = 0;    ///< what takes longest is built first; only to be compared with that of others
    sql::meaning meaning;
    std::string calls;  ///< functions of users in its expressions, in words; not stored
};

/// CREATE INDEX alone, to be read where its operators are found (see with_operators()).
[[nodiscard]] std::string create_index(const catalog::table& of, const catalog::index& each,
                                       const qualified_name& target);

/// The index `each` of the table `of`, to be made on `target`: definition, constraint, comments, marks.
[[nodiscard]] index rebuild_index(const catalog::table& of, const catalog::index& each, const qualified_name& target);

/// Drops index `each` of `target`, or the constraint that it belongs to.
[[nodiscard]] pg::statement drop_index(const catalog::table& of, const catalog::index& each,
                                       const qualified_name& target);

}  // namespace pgeist::sql
