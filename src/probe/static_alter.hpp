#pragma once

#include <string>
#include <vector>

#include "static_parts.hpp"

namespace pgeist::probe::rules {

/// The relation that an ALTER is about. Work on a partitioned table is work on its partitions.
struct target {
    const question& asked;
    std::string relation;

    void scan(effect& into) const;
    void rewrite(effect& into) const;
    /// The name that the server gives to the index of a constraint.
    [[nodiscard]] std::string made_index(const std::vector<std::string>& columns, ddl::constraint_kind kind) const;
};

/// Clauses of ALTER INDEX, SEQUENCE, VIEW, MATERIALIZED VIEW, and of names that are no relations.
[[nodiscard]] effect clause_of_other(const target& on, const ddl::clause& each);

/// Whether USING does more than naming the column itself.
[[nodiscard]] bool is_conversion(const ddl::expression& value, const std::string& column);

}  // namespace pgeist::probe::rules
