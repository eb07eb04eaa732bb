#pragma once

#include <map>
#include <string>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/target/build_context.hpp"

/// Which index is walked, and which index of the shadow serves replay.
namespace pgeist::target {

/// Whether the shadow's columns of this key compare with the source's: nothing dropped, and converted at most in a way
/// that keeps order and equality.
[[nodiscard]] bool keeps_key(const build_context& at, const catalog::table& after, const catalog::index& each);

/// The attnum in the shadow of the source's column `attnum`; 0 when it did not survive.
[[nodiscard]] int shadow_attnum(const build_context& at, const catalog::table& after, int attnum);

/// The index of the source to walk. @throws error with exit code `refused` when there is none, or `wanted` is not
/// usable
[[nodiscard]] awaitable<const catalog::index*> choose_walked_index(build_context& at, const catalog::table& after);

/// The index of the shadow by which rows of the walked key are found; nullptr when none serves.
[[nodiscard]] const catalog::index* choose_shadow_index(const catalog::table& after,
                                                        const std::vector<int>& key_columns,
                                                        const std::vector<catalog::index_column>& walked);

/// Whether values of both types sort and compare the same, so that a range of one is a range of the other.
[[nodiscard]] bool same_order(const std::string& source_type, const std::string& shadow_type);

}  // namespace pgeist::target
