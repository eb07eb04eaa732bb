#pragma once

#include <optional>
#include <string>

namespace pgeist::ddl {

/// What a CREATE INDEX says of the index itself, behind the table's name, with its method: `USING btree (a, lower(b))
/// WHERE c`. Nothing where that cannot be told.
[[nodiscard]] std::optional<std::string> index_definition(const std::string& create_index);

/// The same so that equal texts mean the same, whatever their layout, quotes and case: as pg_get_indexdef() has it, but
/// for what the server spells in another way (then the texts differ, though they may mean the same).
[[nodiscard]] std::optional<std::string> comparable_index_definition(const std::string& create_index);

}  // namespace pgeist::ddl
