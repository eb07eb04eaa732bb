#include <algorithm>

#include "pgeist/catalog/reading_settings.hpp"
#include "rebinding.hpp"

// Texts of before: what stood where a table that comes back was in use goes back as it was, byte for byte, unless
// others have changed it since.
namespace pgeist::dependents {

awaitable<std::string> text_now(pg::connection& session, std::string asked) {
    co_await session.execute(catalog::reading_settings);
    co_await session.execute("SET LOCAL search_path TO pg_catalog");
    const auto rows = co_await session.query(std::move(asked));
    std::string text;
    if (!rows.empty()) {
        text = rows.optional_text(0, 0).value_or("");
    }
    co_await session.execute(catalog::session_settings(session));
    co_return text;
}

awaitable<bool> take_text_of_before(rebinding& what, plan::led_text& text) {
    build_context& at = what.at;
    const auto is_it = [&](const plan::led_text& each) { return each.object == text.object; };
    if (std::none_of(at.texts_now.begin(), at.texts_now.end(), is_it)) {  // else it is met once more
        at.texts_now.push_back(text);
    }
    const auto before = std::find_if(at.texts_before.begin(), at.texts_before.end(), is_it);
    if (before == at.texts_before.end() || before->since.empty()) {
        co_return false;
    }
    const std::string now = co_await text_now(at.conn, before->asked);
    if (now != before->since) {
        co_return false;
    }
    text.text = before->text;
    text.schemas = before->schemas;
    co_return true;
}

}  // namespace pgeist::dependents
