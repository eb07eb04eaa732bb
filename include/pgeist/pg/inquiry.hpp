#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pgeist/pg/connection.hpp"

namespace pgeist::pg {

/// The same questions about each of several objects, asked of the server for all of them at once: under a lock each
/// round trip, and each start of a long statement, costs the application time. Whoever asks does so about one object,
/// as if it were alone; what was answered about the others meanwhile is kept until they are asked about.
///
/// Nothing may change in between that the answers tell of, so it lives for one reading. Outlived by the connection.
class inquiry {
public:
    /// About the objects with these OIDs, none twice.
    inquiry(connection& session, std::vector<std::int64_t> objects);
    inquiry(const inquiry&) = delete;
    inquiry& operator=(const inquiry&) = delete;

    /// The rows of `sql` where its one parameter `$1` is this OID, in its order. It must be a query that can stand in
    /// FROM. @throws sql_error
    [[nodiscard]] awaitable<result> ask(std::string sql, std::int64_t object);

    [[nodiscard]] bool is_about_one() const noexcept { return objects_.size() == 1; }
    /// For questions of another kind.
    [[nodiscard]] connection& session() noexcept { return *session_; }
    [[nodiscard]] int server_major() const noexcept { return session_->server_major(); }

private:
    using by_object = std::map<std::int64_t, result>;

    connection* session_;
    std::vector<std::int64_t> objects_;
    std::map<std::string, by_object> kept_;  // by what was asked
};

}  // namespace pgeist::pg
