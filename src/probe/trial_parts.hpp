#pragma once

#include "trial_stage.hpp"

/// The parts of stand-ins, each made from one query over all relations that need it. SQL by relation, to be run in the
/// order of the functions here.
namespace pgeist::probe {

/// Relations in the order of stage::relations; statements end with semicolons.
using scripts = std::map<std::int64_t, std::string>;

/// Enums, domains and composites; one script.
[[nodiscard]] awaitable<std::string> type_scripts(stage& at);
/// CREATE SEQUENCE for those that columns own; `owned` ties them to the columns afterwards.
[[nodiscard]] awaitable<void> add_sequences(stage& at, scripts& before, scripts& after);
/// Sequences that statements name and that belong to no table; one script.
[[nodiscard]] awaitable<std::string> sequence_scripts(stage& at);
/// CREATE TABLE.
[[nodiscard]] awaitable<void> add_tables(stage& at, scripts& into);
/// CHECK and NOT NULL, valid or not as they are.
[[nodiscard]] awaitable<void> add_checks(stage& at, scripts& into);
/// Indexes and the constraints that have one. Those that are to be made after partitions are attached go to `late`.
[[nodiscard]] awaitable<void> add_indexes(stage& at, scripts& into, scripts& late);
[[nodiscard]] awaitable<void> add_foreign_keys(stage& at, scripts& into);
[[nodiscard]] awaitable<void> add_statistics(stage& at, scripts& into);
[[nodiscard]] awaitable<void> add_triggers(stage& at, scripts& into);

}  // namespace pgeist::probe
