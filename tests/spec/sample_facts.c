/* See sample_facts.h. */
#include "sample_facts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

const char facts_of_titanic[] =
    "{'kind':'table','rows':{'train':891,'test':0},'columns':["
    "{'name':'PassengerId','type':'number','missing':0,'min':1,'max':891,'mean':446,"
    "'std':257.2,'integer':true,'row_id':true},"
    "{'name':'Survived','type':'number','missing':0,'min':0,'max':1,'mean':0.38,'std':0."
    "49,"
    "'integer':true,'categories':2,'values':['0','1']},"
    "{'name':'Pclass','type':'number','missing':0,'min':1,'max':3,'mean':2.3,'std':0.84,"
    "'integer':true,'categories':3,'values':['1','2','3']},"
    "{'name':'Name','type':'text','missing':0},"
    "{'name':'Sex','type':'category','missing':0,'categories':2,'values':['female','male'"
    "]},"
    "{'name':'Age','type':'number','missing':177,'min':0.42,'max':80,'mean':29.7,'std':"
    "14.5,"
    "'integer':false},"
    "{'name':'Fare','type':'number','missing':0,'min':0,'max':512.3,'mean':32.2,'std':49."
    "7,"
    "'integer':false},"
    "{'name':'Ship','type':'category','missing':0,'categories':1,'values':['Titanic']},"
    "{'name':'Deck','type':'number','missing':0,'min':7,'max':7,'mean':7,'std':0,"
    "'integer':true,'categories':1,'values':['7']},"
    "{'name':'Blank','type':'number','missing':891,'integer':false},"
    "{'name':'a/"
    "b~c','type':'category','missing':2,'categories':3,'values':['C','Q','S']}]}";

const char facts_of_houses[] =
    "{'kind':'table','rows':{'train':20640,'test':0},'columns':["
    "{'name':'income','type':'number','missing':0,'min':0.5,'max':15,'mean':3.9,'std':1."
    "9,"
    "'integer':false},"
    "{'name':'rooms','type':'number','missing':207,'min':2,'max':39320,'mean':2635,"
    "'std':2181,'integer':true},"
    "{'name':'ocean','type':'category','missing':0,'categories':3,'values':['far','isle',"
    "'near']},"
    "{'name':'price','type':'number','missing':0,'min':14999,'max':500001,'mean':206855."
    "8,"
    "'std':115395.6,'integer':false},"
    "{'name':'score','type':'number','missing':0,'min':-3,'max':3,'mean':0.1,'std':1.1,"
    "'integer':false}]}";

const char facts_of_images[] =
    "{'kind':'arrays','rows':{'train':60000,'test':10000},'element':'uint8',"
    "'sample_shape':[28,28],'columns':[{'name':'label','type':'number','missing':0,'min':"
    "0,"
    "'max':9,'mean':4.5,'std':2.87,'integer':true,'categories':10,"
    "'values':['0','1','2','3','4','5','6','7','8','9']}]}";

const char facts_of_signals[] =
    "{'kind':'arrays','rows':{'train':500,'test':0},'element':'float32',"
    "'sample_shape':[16,4],'columns':[{'name':'label','type':'number','missing':0,"
    "'min':-10,'max':90,'mean':40,'std':25,'integer':false,'width':3}]}";

const char facts_of_text[] =
    "{'kind':'text','rows':{'train':1000,'test':0},'columns':[],'text':{'characters':900,"
    "'lines':3,'distinct_characters':5,'alphabet':'\\n abö'}}";

json_t *sample_json(const char *text)
{
    char *quoted = strdup(text);
    assert_non_null(quoted);
    for (char *c = quoted; *c; c++) {
        if (*c == '\'')
            *c = '"';
    }
    json_error_t error;
    json_t *json = json_loads(quoted, JSON_DECODE_ANY, &error);
    if (!json)
        fail_msg("%s in %s", error.text, quoted);
    free(quoted);
    return json;
}

struct dataset_facts *sample_facts(const char *text)
{
    json_t *json = sample_json(text);
    struct dataset_facts *facts = NULL;
    struct error err = {0};
    if (facts_parse(json, &facts, &err) != 0)
        fail_msg("%s", err.text);
    json_decref(json);
    return facts;
}

int sample_parse(const char *job, const char *facts_text, struct job_spec **ret_spec,
                 struct violations *violations)
{
    struct dataset_facts *facts = facts_text ? sample_facts(facts_text) : NULL;
    json_t *json = sample_json(job);
    int rc = job_spec_parse(json, facts, ret_spec, violations);
    json_decref(json);
    facts_free(facts);
    return rc;
}

struct job_spec *sample_spec(const char *job, const char *facts)
{
    struct violations violations;
    violations_init(&violations);
    struct job_spec *spec = NULL;
    int rc = sample_parse(job, facts, &spec, &violations);
    if (rc != 0)
        fail_msg("%s: %d at %s: %s", job, rc,
                 violations.count > 0 ? violations.items[0].pointer : "?",
                 violations.count > 0 ? violations.items[0].detail : "?");
    violations_release(&violations);
    return spec;
}

void assert_violation(const char *job, const char *facts, const char *pointer,
                      const char *phrase)
{
    struct violations violations;
    violations_init(&violations);
    struct job_spec *spec = NULL;
    int rc = sample_parse(job, facts, &spec, &violations);
    if (rc != ERR_INVALID)
        fail_msg("%s: expected ERR_INVALID, found %d", job, rc);
    assert_null(spec);
    bool found = false;
    for (size_t i = 0; i < violations.count; i++) {
        found = found || (strcmp(violations.items[i].pointer, pointer) == 0 &&
                          strstr(violations.items[i].detail, phrase));
    }
    if (!found) {
        for (size_t i = 0; i < violations.count; i++)
            print_error("found at \"%s\": %s\n", violations.items[i].pointer,
                        violations.items[i].detail);
        fail_msg("%s: expected at \"%s\": %s", job, pointer, phrase);
    }
    violations_release(&violations);
}

char *sample_canonical(const struct job_spec *spec, const char *path)
{
    const json_t *json = spec->canonical;
    char *keys = strdup(path);
    assert_non_null(keys);
    char *rest = keys;
    for (char *key; (key = strsep(&rest, "/"));) {
        if (json_is_array(json))
            json = json_array_get(json, (size_t)atoi(key));
        else
            json = json_object_get(json, key);
    }
    free(keys);
    if (!json)
        fail_msg("nothing at %s", path);
    char *text =
        json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    assert_non_null(text);
    for (char *c = text; *c; c++) {
        if (*c == '"')
            *c = '\'';
    }
    return text;
}

void assert_canonical(const struct job_spec *spec, const char *path, const char *expected)
{
    char *text = sample_canonical(spec, path);
    assert_string_equal(text, expected);
    free(text);
}
