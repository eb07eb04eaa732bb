#pragma once

#include <memory>
#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"

namespace pgeist::pg {

/// Sessions for the workers of a run. A session that was returned is used again with its settings reset; one that was
/// returned broken or inside a transaction is closed. Opens sessions when asked; the number at once is the callers'
/// business.
class pool {
public:
    pool(connect_options options, std::string application_name);

    /// Borrowed session; returns itself to the pool, which must outlive it.
    class lease {
    public:
        lease() = default;
        lease(pool& owner, std::unique_ptr<connection> session) : owner_(&owner), session_(std::move(session)) {}
        lease(lease&&) noexcept = default;
        lease& operator=(lease&&) = delete;
        ~lease();
        [[nodiscard]] connection& operator*() const noexcept { return *session_; }
        [[nodiscard]] connection* operator->() const noexcept { return session_.get(); }

    private:
        pool* owner_ = nullptr;
        std::unique_ptr<connection> session_;
    };

    /// @throws sql_error (connection_lost)
    [[nodiscard]] awaitable<lease> acquire();
    /// A new session that does not belong to the pool.
    [[nodiscard]] awaitable<std::unique_ptr<connection>> open_own(std::string application_name);

    /// Sessions acquired from now on get this application_name.
    void name_sessions(std::string application_name) { application_name_ = std::move(application_name); }
    /// Sessions opened from now on are used only where `SELECT condition` is true; empty: anywhere. Names lead to other
    /// servers after a failover, or by mistake, while the sessions that are open live on. Elsewhere acquire() throws
    /// sql_error (connection_lost).
    void admit_only(std::string condition) { condition_ = std::move(condition); }
    /// Sessions that are acquired or opened from now on adopt this profile. @throws (then) error (failed) when the
    /// server does not take one of its settings
    void use_profile(session_profile profile) { profile_ = std::move(profile); }
    [[nodiscard]] const session_profile& profile() const noexcept { return profile_; }
    /// Closes the sessions that are not in use, because the server they lead to may be gone.
    void close_idle() { idle_.clear(); }

private:
    [[nodiscard]] awaitable<void> check(connection& session);

    connect_options options_;
    std::string application_name_;
    std::string condition_;
    session_profile profile_;
    std::vector<std::unique_ptr<connection>> idle_;
};

}  // namespace pgeist::pg
