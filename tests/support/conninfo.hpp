#pragma once

#include <map>
#include <string>

namespace pgeist::test {

/// Where a server is and who asks: the keywords of a libpq connection string, taken apart so that tests can point the
/// same address at another database, role, host or port. A value type.
class conninfo {
public:
    /// Parses a URI or a keyword string. Throws std::invalid_argument on what libpq cannot parse.
    static conninfo parse(const std::string& text);

    /// A copy with one keyword (dbname, user, host, port, password, options …) set.
    [[nodiscard]] conninfo with(const std::string& keyword, const std::string& value) const;

    /// The value of a keyword, empty when it is not given.
    [[nodiscard]] std::string get(const std::string& keyword) const;

    /// The address as a URI, percent-encoded.
    [[nodiscard]] std::string uri() const;

private:
    std::map<std::string, std::string> keywords_;
};

}  // namespace pgeist::test
