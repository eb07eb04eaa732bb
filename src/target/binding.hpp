#pragma once

#include <vector>

#include "pgeist/catalog/table.hpp"

/// Which unique index a foreign key is bound to. PostgreSQL takes the oldest of those over the referenced columns, in
/// whatever order, or the primary key if none are listed. Dropping the constraint of another one then does no harm, so
/// it must stay the same one. Pure decisions.
namespace pgeist::target {

/// Whether a foreign key is bound to `each` because it is the oldest.
[[nodiscard]] bool is_bound(const catalog::table& of, const catalog::index& each);

/// Whether a foreign key that is bound to `bound` would be bound to `other` if that were older.
[[nodiscard]] bool competes(const catalog::index& other, const catalog::index& bound);

/// Whether `each` must be made after an index to which a foreign key is bound.
[[nodiscard]] bool must_be_younger(const catalog::table& of, const catalog::index& each);

/// The table's indexes, those to which foreign keys are bound first.
[[nodiscard]] std::vector<const catalog::index*> in_binding_order(const catalog::table& of);

}  // namespace pgeist::target
