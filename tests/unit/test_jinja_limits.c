/* The template language's limits, error positions and default variables. What it prints is compared with jinja2 in
 * tests/integration/test_jinja.py and test_template.py. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/size.h"
#include "core/text/chat.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SANITIZED 1
#endif
#endif
#if defined(SANITIZED) || defined(__SANITIZE_ADDRESS__)
enum { SLOWER = 30 }; /* a build with sanitizers checks the limits, not the time */
#else
enum { SLOWER = 1 };
#endif

static bp_status render(const char *text, size_t n, bp_text *out, bp_error *error) {
    bp_jinja *jinja;
    json_t *none = json_object();
    bp_status status = bp_jinja_compile(text, n, &jinja, error);
    if (!status) status = bp_jinja_render(jinja, none, out, error);
    bp_jinja_free(jinja);
    json_decref(none);
    return status;
}

static void expect_error(const char *text, const char *words) {
    bp_text out = { 0 };
    bp_error error = BP_ERROR_INIT;
    clock_t begin = clock();
    assert_int_not_equal(render(text, strlen(text), &out, &error), BP_OK);
    if (!strstr(error.message, words)) fail_msg("%.60s: \"%s\" is not in: %s", text, words, error.message);
    assert_int_equal(out.size, 0);
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 2 * SLOWER);
    bp_text_free(&out);
}

static void errors_name_line_and_column(void **state) {
    (void)state;
    expect_error("a\nbä {{ x.y.z }}", "line 2, column 8: 'x' is undefined");
    expect_error("{{ 1 +", "line 1, column 1: the tag has no end");
    expect_error("\n\n  {% nosuch %}", "line 3, column 6: unknown tag");
    expect_error("{% if true %}\n{{ raise_exception('my words') }}{% endif %}", "line 2, column 19: my words");
    expect_error("{{ [1, 2] | nosuch }}", "line 1, column 13: no filter named 'nosuch'");
    expect_error("{% for x in [1] %}", "\"endfor\" is missing");
    expect_error("\xff", "UTF-8");
}

static void work_without_end_is_refused(void **state) {
    (void)state;
    expect_error("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}", "steps");
    expect_error("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "too deeply");
    expect_error("{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}", "too deeply");
    expect_error("{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
                 "memory");
    expect_error("{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}", "");
    expect_error(
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
        "too deeply");
    expect_error("{% set x = 'a' * 1000000 %}{% for i in range(9999) %}{{ x }}{% endfor %}", "");
    expect_error("{{ range(100001) }}", "range");
    expect_error("{{ 'a' * 9000000000 }}", "too long");
    expect_error("{{ 'a'.center(9000000000) }}", "too wide");
    expect_error("{{ '%99999999d' % 1 }}", "too wide");
    expect_error("{{ 9223372036854775807 + 1 }}", "64 bits");
}

/* `piece` repeated to 64 KB takes less than a second, whatever comes of it. */
static void expect_quick(const char *before, const char *piece, const char *after) {
    bp_text text = { 0 }, out = { 0 };
    bp_text_adds(&text, before);
    while (text.size + strlen(piece) + strlen(after) <= 65536) bp_text_adds(&text, piece);
    bp_text_adds(&text, after);
    clock_t begin = clock();
    render(text.data, text.size, &out, NULL);
    double seconds = (double)(clock() - begin) / CLOCKS_PER_SEC;
    if (seconds > 1 * SLOWER) fail_msg("64 KB of %s took %.2f s", piece, seconds);
    bp_text_free(&text);
    bp_text_free(&out);
}

static void templates_of_64_kb_take_less_than_a_second(void **state) {
    (void)state;
    static const char *const pieces[][3] = {
        { "{{ ", "(", "" },
        { "{{ ", "[", "" },
        { "{{ 1", "+1", " }}" },
        { "{{ 'a'", "~'a'", " }}" },
        { "{{ ", "-", "1 }}" },
        { "{{ ", "not ", "1 }}" },
        { "", "{% if 1 %}", "" },
        { "", "{% for x in [1] %}", "" },
        { "", "{{ 1 }}", "" },
        { "{{ x", "|upper", " }}" },
        { "{{ x", ".a", " }}" },
        { "{{ x", "[0]", " }}" },
        { "{{ [", "1,", "] }}" },
        { "{{ {", "1:1,", "} }}" },
        { "{{ 1", " if 1 else 1", " }}" },
        { "", "{#", "" },
        { "", "{% raw %}", "" },
        { "{% raw %}", "{% ", "" },
        { "", "{% set x = 1 %}", "" },
        { "{% if 0 %}", "{% elif 0 %}", "{% endif %}" },
        { "{{ f(", "a=1,", ") }}" },
        { "{{ '", "\\n", "' }}" },
        { "{{ 1", "<2", " }}" },
        { "{{ x is", " not", " }}" },
        { "{% macro m(", "a,", ") %}" },
        { "", "{% macro m() %}", "" },
        { "{{ dict(", "a1=1,b2=2,", ") }}" },
        { "{% for a in range(9999) %}", "{{ a }}", "{% endfor %}" },
        { "{% for a in range(99999) %}", "{% set x = a %}", "{% endfor %}" },
        { "{% set x = 'a' * 9999999 %}", "{{ x.count('b') }}", "" },
        { "{% set x = 'a' * 9999999 %}", "{{ x[-1] }}", "" },
        { "{% set x = 'é' * 9999999 %}", "{{ x[-1] }}", "" },
        { "{% set x = 'aé' * 999999 %}", "{{ x.upper() }}", "" },
        { "{% set x = range(99999)|list %}", "{{ x|sort|length }}", "" },
        { "{% set x = range(99999)|list %}", "{{ x|sum }}", "" },
        { "{% set x = range(99999)|list %}", "{{ x == x[:] }}", "" },
        { "{% set x = range(99999)|list %}", "{{ -1 in x }}", "" },
        { "{% set x = 'ab ' * 999999 %}", "{{ x.split()|length }}", "" },
        { "{% set x = ' ' * 9999999 %}", "{{ x|trim }}", "" },
        { "{% set x = 'ab' * 999999 %}", "{{ x|replace('a', '')|length }}", "" },
        { "{% set x = 'a' * 9999999 %}", "{{ x|tojson|length }}", "" },
        { "{% set x = 'a' * 999999 %}", "{{ x.rfind('ba') }}", "" },
        { "{% set x = 'a' * 999999 %}", "{{ x.isalpha() }}", "" },
        { "{% set x = 'a' * 999999 %}", "{{ x|title|length }}", "" },
        { "{% set x = 'a' * 999999 %}", "{{ x|wordcount }}", "" },
        { "{% set x = 'a' * 999999 %}", "{{ x is lower }}", "" },
        { "{% set x = 'a' * 999999 %}", "{{ x|urlencode|length }}", "" },
        { "{% set x = 'a' * 999999 %}", "{{ x|e|length }}", "" },
        { "{% set x = 'a' * 9999999 %}", "{{ x.title()|length }}", "" },
        { "{% set x = '1' * 999999 %}", "{{ x|int }}", "" },
        { "{% set x = 'a\t' * 999999 %}", "{{ x.expandtabs(900)|length }}", "" },
        { "{% set x = 'a' * 9999999 %}", "{{ x.isidentifier() }}", "" },
        { "{% set x = 'a' * 9999999 %}", "{{ x.strip('b' * 9999999) }}", "" },
    };
    for (size_t i = 0; i < BP_COUNT(pieces); i++) expect_quick(pieces[i][0], pieces[i][1], pieces[i][2]);
}

static void the_model_gives_its_tokens(void **state) {
    (void)state;
    static const char text[] = "{{ bos_token }}{{ x }}{{ eos_token }}";
    bp_chat *chat;
    bp_text out = { 0 };
    assert_int_equal(bp_chat_new(text, sizeof text - 1, "<s>", "</s>", &chat, NULL), BP_OK);
    json_t *variables = json_pack("{s:i}", "x", 1);
    assert_int_equal(bp_chat_render(chat, variables, &out, NULL), BP_OK);
    assert_string_equal(bp_text_get(&out), "<s>1</s>");
    assert_true(bp_chat_has_bos(chat, out.data, out.size));
    assert_false(bp_chat_has_bos(chat, "<s", 2));
    json_object_set_new(variables, "bos_token", json_string("[B]"));
    bp_text_clear(&out);
    assert_int_equal(bp_chat_render(chat, variables, &out, NULL), BP_OK);
    assert_string_equal(bp_text_get(&out), "[B]1</s>");
    json_decref(variables);
    bp_chat_free(chat);
    bp_text_free(&out);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_name_line_and_column),
        cmocka_unit_test(work_without_end_is_refused),
        cmocka_unit_test(templates_of_64_kb_take_less_than_a_second),
        cmocka_unit_test(the_model_gives_its_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
