#pragma once

#include <string>

/// The catalogs as SQL that would make what is there, as far as rules look at it: the same parser reads it that reads
/// migration files. $1: OIDs of relations.
namespace pgeist::probe::catalog_sql {

extern const char* const reach;  ///< $1: names; OIDs of what has them, and of all that hangs together with it
extern const char* const types;
[[nodiscard]] std::string tables(bool not_null_is_a_constraint);
extern const char* const parents;
extern const char* const sequences;
extern const char* const constraints;
extern const char* const indexes;
extern const char* const index_parents;
extern const char* const views;
extern const char* const statistics;

extern const char* const owned_sequences;
extern const char* const sizes;
extern const char* const measured;  ///< $1: names

}  // namespace pgeist::probe::catalog_sql
