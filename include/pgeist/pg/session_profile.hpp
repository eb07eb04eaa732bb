#pragma once

#include <string>
#include <utility>
#include <vector>

#include "pgeist/pg/awaitable.hpp"

namespace pgeist::pg {

class connection;

/// The settings that shape values: how they are read, printed and converted (TimeZone, DateStyle, lc_monetary, …), and
/// settings of the user's own (`app.region`) that functions may read. They come from the server's, the database's and
/// the role's defaults and from the client's environment, and may change at any time: so a job reads them once, keeps
/// them, and sets them in each of its sessions. What a session needs beyond that is set on top. A setting that is added
/// (search_path, …) is set in each session, too.
class session_profile {
public:
    void set(std::string name, std::string value);

    /// In the order in which they are set.
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& settings() const noexcept {
        return settings_;
    }
    [[nodiscard]] bool empty() const noexcept { return settings_.empty(); }

    /// The statement that sets all of them for the session. A setting of the session's own is not changed when the
    /// server reads its configuration again.
    [[nodiscard]] std::string sql() const;
    /// The same for people, one SET a line. Values of settings with a dot may be secrets, and are left out.
    [[nodiscard]] std::string display() const;
    /// `SET LOCAL name TO` the profile's value; to the session's default where the profile has none.
    [[nodiscard]] std::string set_local(const std::string& name) const;

private:
    std::vector<std::pair<std::string, std::string>> settings_;
};

/// What shapes values in this session now. @throws sql_error
[[nodiscard]] awaitable<session_profile> read_profile(connection& session);

}  // namespace pgeist::pg
