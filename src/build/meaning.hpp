#pragma once

#include <vector>

#include "pgeist/build/workspace.hpp"

// CREATE INDEX reads its text and evaluates what it has read in one go, so that nobody can look in between. Where
// others can make functions that the text could be taken to mean, the index is made unbuilt first: CREATE INDEX
// CONCURRENTLY, which is stopped when it has committed the index and waits for writers, of whom we are one. What it
// uses is written down there by OID; it is compared with the plan's, and REINDEX builds that and nothing else.
namespace pgeist::build {

/// Whether the text of the index could be taken to mean something else.
[[nodiscard]] bool is_open(const plan::index& index);

enum class index_state { absent, draft, built };
/// `draft` is made and not built.
[[nodiscard]] awaitable<index_state> state_of(pg::connection& session, const plan::blueprint& plan,
                                              const plan::index& index);

/// Looks, without evaluating anything, what the text of an index means now. In a transaction of the caller's.
/// @throws error (failed) that names what it would use
[[nodiscard]] awaitable<void> require_text(pg::connection& session, const plan::blueprint& plan,
                                           const plan::index& index);
/// Looks what an index uses that is there, built or not. @throws as above
[[nodiscard]] awaitable<void> require_tree(pg::connection& session, const plan::blueprint& plan,
                                           const plan::index& index);

/// Makes drafts of those of `indexes` that are open and not there, except what has to be built alone. Takes two
/// sessions of the pool. Nobody may build indexes of the shadow meanwhile. @throws error as above; the draft is dropped
/// then
[[nodiscard]] awaitable<void> make_drafts(workspace& work, std::vector<const plan::index*> indexes);

}  // namespace pgeist::build
