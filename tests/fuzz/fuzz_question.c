/*
 * The questions to a model: a byte that chooses the model and the verb, then the body of
 * the request, which the daemon passes on as it came. The whole task "serve" runs on it.
 * Every question gets one REPLY, of status 200 or 4xx.
 */
#include "fuzz.h"
#include "json_mutator.h"
#include "quiet_channel.h"
#include "session.h"

#include <stdlib.h>
#include <string.h>

#define MODELS 5
#define MAX_BODY 65536

const size_t fuzz_json_prefix = 1;

struct model {
    const char *task;  /* TASK, ' for " */
    size_t parameters; /* bytes */
};

#define SERVE "{'task':'serve','model':'mdl_1',"

static const struct model models[MODELS] = {
    {SERVE
     "'facts':{'kind':'table','rows':{'train':9},'columns':[{'name':'Age','type':"
     "'number','missing':0,'min':0,'max':9,'mean':4,'std':2,'integer':false},"
     "{'name':'Sex','type':'category','missing':0,'categories':2,'values':['f','m']},"
     "{'name':'Id','type':'text','missing':0}]},"
     "'spec':{'dataset':'d','features':{'inputs':['Age'],'target':'Sex'},"
     "'model':{'layers':[{'type':'dense','units':'auto'}]}},"
     "'preprocessing':{'kind':'table','inputs':[{'name':'Age','type':'number',"
     "'fill':1,'shift':4,'scale':2,'required':true}],'ignored':['Id'],"
     "'target':{'name':'Sex','type':'category','values':['f','m']}}}",
     4 * 4},
    {SERVE "'facts':{'kind':'arrays','rows':{'train':9},'element':'uint8','sample_shape':"
           "[2,3],'columns':[{'name':'label','type':'number','missing':0,'min':0,'max':1,"
           "'mean':0.5,'std':0.5,'integer':false,'width':2}]},"
           "'spec':{'dataset':'d','model':{'layers':[{'type':'dense','units':'auto'}]}},"
           "'preprocessing':{'kind':'arrays','sample_shape':[2,3],'element':'uint8',"
           "'input':{'shift':0,'scale':255},'target':{'name':'label','type':'number',"
           "'shift':1,'scale':2,'width':2}}}",
     14 * 4},
    {SERVE
     "'facts':{'kind':'text','rows':{'train':90},'columns':[],'text':{'characters':"
     "90,'lines':1,'distinct_characters':3,'alphabet':'abö'}},"
     "'spec':{'dataset':'d','features':{'tokenizer':'char','context_length':4},"
     "'model':{'layers':[{'type':'embedding','output_dim':2},{'type':'dense','units':"
     "'auto'}]}},"
     "'preprocessing':{'kind':'text','tokenizer':'char','context_length':4,"
     "'alphabet':'abö'}}",
     15 * 4},
    {SERVE
     "'facts':{'kind':'text','rows':{'train':90},'columns':[]},"
     "'spec':{'dataset':'d','features':{'tokenizer':'byte','context_length':3},"
     "'model':{'layers':[{'type':'embedding','output_dim':1},{'type':'flatten'},{'type':"
     "'dense','units':'auto'}]}},"
     "'preprocessing':{'kind':'text','tokenizer':'byte','context_length':3}}",
     (256 + 3 * 256 + 256) * 4},
    {SERVE
     "'facts':{'kind':'table','rows':{'train':9},'columns':[{'name':'Age','type':"
     "'number','missing':0,'min':0,'max':9,'mean':4,'std':2,'integer':false},"
     "{'name':'Sex','type':'category','missing':0,'categories':2,'values':['f','m']}]},"
     "'spec':{'dataset':'d','features':{'inputs':['Age'],'target':'input'},"
     "'model':{'layers':[{'type':'dense','units':'auto'}]}},"
     "'preprocessing':{'kind':'table','inputs':[{'name':'Age','type':'number',"
     "'fill':1,'shift':4,'scale':2}],'ignored':['Sex'],'target':{'type':"
     "'input'}}}",
     2 * 4},
};

/* The TASK of a model as JSON text. */
static const char *task_text(size_t which)
{
    static char *texts[MODELS];
    if (!texts[which]) {
        texts[which] = strdup(models[which].task);
        FUZZ_EXPECT(texts[which]);
        for (char *c = texts[which]; *c; c++)
            if (*c == '\'')
                *c = '"';
    }
    return texts[which];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float parameters[4096];
    static unsigned char request[MAX_BODY + 16];
    struct fuzz_input input = {data, size};
    uint8_t choice = fuzz_take_byte(&input);
    if (input.size > MAX_BODY)
        return 0;
    const struct model *model = &models[choice % MODELS];
    const char *task = task_text(choice % MODELS);
    const char *verb = choice & 0x80 ? "generate\n" : choice & 0x40 ? "" : "predict\n";
    size_t head = strlen(verb);
    memcpy(request, verb, head);
    if (input.size > 0)
        memcpy(request + head, input.data, input.size);
    for (size_t i = 0; i < model->parameters / sizeof(float); i++)
        parameters[i] = (float)((int)(i * 7 % 11) - 5) / 4;
    struct channel channel = {
        .blob = parameters,
        .blob_bytes = model->parameters,
        .frames = {{MESSAGE_TASK, (const unsigned char *)task, strlen(task)},
                   {MESSAGE_REQUEST, request, head + input.size}},
        .frame_count = 2,
    };
    struct error err = {0};
    int rc = session_run(&channel, &err);
    FUZZ_EXPECT(rc == 0 && channel.read == 2);
    FUZZ_EXPECT(channel.replies == 1);
    FUZZ_EXPECT(channel.last_status == 200 ||
                (channel.last_status >= 400 && channel.last_status < 500));
    return 0;
}
