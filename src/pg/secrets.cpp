#include "pgeist/pg/secrets.hpp"

#include <algorithm>
#include <cctype>
#include <memory>
#include <string_view>
#include <vector>

#include <libpq-fe.h>

namespace pgeist::pg {

namespace {

constexpr const char* hidden = "***";
// A shorter secret would be found in every message.
constexpr std::size_t shortest_secret = 3;

bool is_secret(std::string_view keyword) { return keyword == "password" || keyword == "sslpassword"; }

bool is_uri(std::string_view text) { return text.starts_with("postgresql://") || text.starts_with("postgres://"); }

struct free_options {
    void operator()(PQconninfoOption* options) const noexcept { PQconninfoFree(options); }
};

/// The passwords in a conninfo string; `readable` tells whether libpq can read it at all.
std::vector<std::string> secrets_of(const std::string& conninfo, bool& readable) {
    char* message = nullptr;
    const std::unique_ptr<PQconninfoOption, free_options> parsed(PQconninfoParse(conninfo.c_str(), &message));
    PQfreemem(message);
    readable = parsed != nullptr;
    std::vector<std::string> secrets;
    for (const PQconninfoOption* each = parsed.get(); each != nullptr && each->keyword != nullptr; ++each) {
        if (is_secret(each->keyword) && each->val != nullptr && *each->val != '\0') {
            secrets.emplace_back(each->val);
        }
    }
    return secrets;
}

void replace_all(std::string& text, const std::string& what, const std::string& by) {
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
        text.replace(at, what.size(), by);
    }
}

/// `scheme://user:***@rest`: up to the last `@`, since an unencoded one may be part of the password; and the values of
/// password parameters.
std::string uri_without_passwords(const std::string& uri) {
    std::string text = uri;
    const std::size_t begin = text.find("//") + 2;
    const std::size_t last_at = text.rfind('@');
    if (last_at != std::string::npos && last_at >= begin) {
        const std::size_t colon = text.find(':', begin);
        if (colon < last_at) {
            text.replace(colon + 1, last_at - colon - 1, hidden);
        }
    }
    const std::size_t question = text.find('?');
    for (std::size_t at = question; at != std::string::npos; at = text.find('&', at + 1)) {
        const std::size_t equals = text.find('=', at);
        // libpq decodes %XX in keywords too: what does not read as a harmless keyword is taken for a secret.
        const std::string keyword = text.substr(at + 1, equals == std::string::npos ? 0 : equals - at - 1);
        if (equals != std::string::npos &&
            (keyword.find("password") != std::string::npos || keyword.find('%') != std::string::npos)) {
            text.replace(equals + 1, std::min(text.find('&', equals), text.size()) - equals - 1, hidden);
        }
    }
    return text;
}

/// The end of a value that begins at `at`, quoted or not, as libpq reads keyword strings.
std::size_t end_of_value(const std::string& text, std::size_t at) {
    const bool quoted = at < text.size() && text[at] == '\'';
    for (std::size_t now = at + (quoted ? 1 : 0); now < text.size(); ++now) {
        if (text[now] == '\\') {
            ++now;
        } else if (quoted ? text[now] == '\'' : std::isspace(static_cast<unsigned char>(text[now])) != 0) {
            return quoted ? now + 1 : now;
        }
    }
    return text.size();
}

/// `… password=*** …`. `readable`: false takes all that follows as well, because nobody knows where the password ends.
std::string keywords_without_passwords(const std::string& conninfo, bool readable) {
    std::string text = conninfo;
    std::size_t at = text.find("password");
    while (at != std::string::npos) {
        std::size_t equals = at + std::string_view("password").size();
        while (equals < text.size() && std::isspace(static_cast<unsigned char>(text[equals])) != 0) {
            ++equals;
        }
        std::size_t next = equals;
        if (equals < text.size() && text[equals] == '=') {
            std::size_t value = equals + 1;
            while (value < text.size() && std::isspace(static_cast<unsigned char>(text[value])) != 0) {
                ++value;
            }
            const std::size_t end = readable ? end_of_value(text, value) : text.size();
            text.replace(value, end - value, hidden);
            next = value;
        }
        at = text.find("password", next);
    }
    return text;
}

/// `message` without what it quotes: from the first double quote to the last, since what is quoted may have some
/// itself.
std::string without_quotations(const std::string& message) {
    const std::size_t first = message.find('"');
    if (first == std::string::npos) {
        return message;
    }
    const std::size_t last = message.rfind('"');
    return message.substr(0, first) + "\"...\"" + (last == first ? "" : message.substr(last + 1));
}

}  // namespace

std::string without_passwords(const std::string& conninfo) {
    if (is_uri(conninfo)) {
        return uri_without_passwords(conninfo);
    }
    if (conninfo.find('=') == std::string::npos) {
        return conninfo;  // the name of a database
    }
    bool readable = false;
    static_cast<void>(secrets_of(conninfo, readable));
    return keywords_without_passwords(conninfo, readable);
}

std::string harmless_message(const std::string& message, const connect_options& options) {
    std::string text = message;
    bool unreadable = false;
    const std::string conninfo = options.get("dbname");
    std::vector<std::string> secrets;
    if (is_uri(conninfo) || conninfo.find('=') != std::string::npos) {
        bool readable = false;
        secrets = secrets_of(conninfo, readable);
        // An unencoded "@" in a password makes libpq take the rest of it for a host: legible, but not what was meant.
        const bool two_ats = is_uri(conninfo) && conninfo.find('@') != conninfo.rfind('@');
        unreadable = (!readable || two_ats) && without_passwords(conninfo) != conninfo;
    }
    for (const char* keyword : {"password", "sslpassword"}) {
        secrets.push_back(options.get(keyword));
    }
    for (const std::string& secret : secrets) {
        if (secret.size() >= shortest_secret) {
            replace_all(text, secret, hidden);
        }
    }
    return unreadable ? without_quotations(text) : text;
}

}  // namespace pgeist::pg
