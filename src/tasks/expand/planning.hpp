#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/target/build_context.hpp"
#include "pgeist/target/steps.hpp"
#include "pgeist/tasks/expand/preparation.hpp"

// The steps of prepare(), all in its transaction.
namespace pgeist::expand {

/// What they share.
struct workshop {
    const request& asked;
    target::build_context at;
    catalog::table source;
    catalog::table wide = {};                                       ///< the stand-in with old and new columns
    std::vector<std::pair<std::string, std::string>> renamed = {};  ///< old, new
    preparation made = {};
};

/// Refuses tables and columns that cannot be expanded. Takes no lock.
[[nodiscard]] awaitable<void> check_table(workshop& with);
[[nodiscard]] awaitable<void> check_replaced(workshop& with);

/// Makes the stand-in with the new columns, and notes how they are to be added.
[[nodiscard]] awaitable<void> plan_columns(workshop& with);

/// Resolves --up and --down and ties columns by them.
[[nodiscard]] awaitable<void> plan_groups(workshop& with);

/// Indexes, CHECKs and foreign keys of renamed columns, for the new ones.
[[nodiscard]] awaitable<void> plan_twins(workshop& with);

/// Gives a few rows their values, there and back, before any application does. @throws error (refused) when something
/// that --up or --down calls is not found
[[nodiscard]] awaitable<void> try_on_rows(workshop& with);

/// @throws error (refused)
[[noreturn]] void refuse(std::string what, std::string hint = {});

/// Columns tied by the assignments, each to those that it reads: pure.
struct tie {
    std::string column;
    std::vector<std::string> reads;
};
[[nodiscard]] std::vector<std::vector<std::string>> tied_columns(const std::vector<tie>& ties);

}  // namespace pgeist::expand
