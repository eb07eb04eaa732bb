#pragma once

#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"

namespace pgeist::catalog {

/// `definition`, as pg_get_indexdef, pg_get_triggerdef and their like print it, with the table it is ON replaced:
/// `from` and `to` as the server prints them (table::printed_name). Only the first `ON from` outside quotes is
/// replaced; `preposition` is what stands before the name (rules are made `TO` a table).
[[nodiscard]] std::string retarget(const std::string& definition, const std::string& from, const std::string& to,
                                   const std::string& preposition = "ON");

/// `text` with every mention of the relation `from` replaced by `to`, both as the server prints them; what stands
/// inside literals stays.
[[nodiscard]] std::string replace_relation(const std::string& text, const std::string& from, const std::string& to);

/// One property of one object: { "index orders_pkey", "CREATE UNIQUE INDEX …" }.
struct property {
    std::string object;
    std::string text;

    friend bool operator==(const property&, const property&) = default;
};

/// Everything about the table that a rebuilt copy of it must have too, sorted; by name, without OIDs and
/// sizes, and with the table's own name left out, so that the definitions of a table and of its copy compare equal.
/// Left out as well: sequences OWNED BY a column (they stay what they are), invalid
/// indexes, publications, `bound` and `dependents`.
[[nodiscard]] std::vector<property> definition(const table& of);

/// definition() as lines of text, with foreign keys taken for not yet validated: what a swap must leave.
[[nodiscard]] std::vector<std::string> definition_in_swap(table of);

/// What `wanted` has and `found` has not or has otherwise, one line each: "index i: CREATE INDEX … (found: nothing)".
[[nodiscard]] std::vector<std::string> missing_properties(const std::vector<property>& wanted,
                                                          const std::vector<property>& found);

}  // namespace pgeist::catalog
