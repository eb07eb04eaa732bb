#pragma once

#include "cli/given.hpp"
#include "cli/invocation.hpp"

// What the commands that change rows and columns in place are asked for. All throw usage_error.
namespace pgeist::cli {

/// `pgeist backfill`, and `pgeist plan` of one.
void read_fill(const given& options, fill::request& into);
void read_expansion(const given& options, expand::request& into);
[[nodiscard]] expand::contraction read_contraction(const given& options);

/// Whether `pgeist plan` is asked for a backfill: nothing but rows is changed.
[[nodiscard]] bool plans_in_place(const given& options);

/// Rows are locked for a chunk's time: nobody is to wait longer for them than for a lock on the table.
void fit_chunks_to_locks(const given& options, run::settings& into);

}  // namespace pgeist::cli
