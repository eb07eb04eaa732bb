#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/sql/statements.hpp"

/// Parents of partitions and inheriting tables. SQL that makes again what a description says; pure.
namespace pgeist::sql {

/// An empty table `name` with what `parent` hands down to its children. `as` tells how the source is its child.
/// Foreign keys are left out.
[[nodiscard]] statements create_parent(const catalog::table& parent, const catalog::parent& as,
                                       const qualified_name& name, int server_major);

/// ATTACH PARTITION or INHERIT: makes `child` what `as` describes, with `parent` in the parent's place.
[[nodiscard]] pg::statement join_parent(const catalog::parent& as, const qualified_name& parent,
                                        const qualified_name& child);

/// DETACH PARTITION or NO INHERIT.
[[nodiscard]] pg::statement leave_parent(const catalog::parent& as, const qualified_name& parent,
                                         const qualified_name& child);

/// What a table has of its own in what its parents handed down, made on `target` once it has joined them: states and
/// comments of the clones of the parent's triggers, and NOT NULL that is its own as well.
[[nodiscard]] statements own_share(const catalog::table& of, const qualified_name& target);

}  // namespace pgeist::sql
