#pragma once

#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/tasks/native/engine.hpp"

namespace pgeist::native {

/// Actions that are one transaction: under locks that are taken first by the swap's protocol, or patiently.
class transactions final : public executor {
public:
    [[nodiscard]] awaitable<void> carry_out(const task::context& with, steps::step& of, int at) override;
};

/// What the server does CONCURRENTLY.
class server_steps final : public executor {
public:
    [[nodiscard]] awaitable<void> carry_out(const task::context& with, steps::step& of, int at) override;
};

/// For what is done or awaited CONCURRENTLY.
[[nodiscard]] concurrently::workspace workspace_of(const task::context& with);

/// Drops what a failed step has built, also where it is valid.
[[nodiscard]] awaitable<void> take_back_builds(const task::context& with);

/// For how long settings hold.
enum class settings_hold {
    in_transaction,        ///< until the end of the one that is open
    in_session,            ///< until the session ends
    in_session_of_the_job  ///< likewise, but the role stays the job's, which looks after its own row there
};
/// SETs of everything in which a session of pgeist's differs from the user's own, and of what SETs in the file have
/// made of that.
[[nodiscard]] std::string users_settings_sql(const steps::step& of, settings_hold how);

}  // namespace pgeist::native
