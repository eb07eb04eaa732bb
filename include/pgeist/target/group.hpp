#pragma once

#include <string>
#include <vector>

#include "pgeist/target/build_context.hpp"

/// Foreign keys between tables whose shadows are made together. Each shadow stands for its table in the others' eyes.
/// The keys are there while the shadows are compared with their sources, and again when the clauses have been run: new
/// against new, so that both ends may get another type. In between, where only one end has it, no such key could stand.
/// All in the caller's transaction.
namespace pgeist::target {

/// A foreign key from one table of a group to another.
struct tied_key {
    catalog::foreign_key key;  ///< as it is between the sources
    build_context* from = nullptr;
    build_context* to = nullptr;
    std::string mark;  ///< comment of the constraint that has its name while the clauses are run
};

/// Each of `all`, whose shadows are made, takes the others' shadows for their tables.
void introduce(const std::vector<build_context*>& all);

/// Takes the keys between the shadows away. In the place of each stands a CHECK of its name over its columns, which is
/// always true: clauses that drop, rename or validate the key find it, and it goes with a column that is dropped. It is
/// known by its comment, which stays with it when a column's new type has it made anew, under another OID.
[[nodiscard]] awaitable<std::vector<tied_key>> loosen_keys(const std::vector<build_context*>& all);

/// Puts them back, with the names that columns and keys have now. @throws error (refused) naming the key that cannot be
[[nodiscard]] awaitable<void> tie_keys(std::vector<tied_key> keys);

/// Drops all keys between the shadows, before they are stripped: the copy must not meet them. `after`: the shadows.
[[nodiscard]] awaitable<void> untie_keys(build_context& at, const catalog::table& after);

}  // namespace pgeist::target
