"""A first chat, whole and streamed: `python examples/first_chat.py`.

Needs a gateway (`npx @portkey-ai/gateway --headless`) and the key of the model's provider (`MISTRAL_API_KEY`).
"""

from langchain_core.prompts import ChatPromptTemplate

from langchain_pollinations_portkey import ChatPortkey

model = ChatPortkey(model="portkey-mistral", temperature=0.3)
prompt = ChatPromptTemplate.from_messages([("system", "You explain things to a {reader}."), ("human", "{question}")])
chain = prompt | model

answer = chain.invoke({"reader": "child", "question": "Why is the sky blue?"})
print(answer.content)
print(answer.usage_metadata)

for chunk in chain.stream({"reader": "physicist", "question": "Why is the sky blue?"}):
    print(chunk.content, end="", flush=True)
print()
